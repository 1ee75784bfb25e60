"""The report on experiments: one HTML page, or Markdown with its pictures beside it."""

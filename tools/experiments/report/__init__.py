"""From the records of experiments to a page: statistics, tables, plots, and words of a human."""

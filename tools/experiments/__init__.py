"""Tables and figures of the paper, as studies that can be killed and started again.

conditions, photographs   what each row of a table changes in a configuration
plan                      rows and seeds to runs, each with its digest
runner                    trains what is missing, a few runs at a time, and writes records
run                       one run: train or resume, score, leave features
records                   results.jsonl, a line for each run
report/                   from records to a page
"""

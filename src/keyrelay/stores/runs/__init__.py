"""Runs of analyses: rows that are their own queue.

rows.py      between runs and their rows
records.py   runs as faces ask for, see and list them
queue.py     ports.Queue: runs on loan to the lanes of one process
leases.py    what of it is on loan, renewed and settled
"""

"""Scheduling: when what is defined is due by itself.

What a definition says is a value of `model/schedule.py`; calendars and time zones, for
which there is a library, are read here.
"""

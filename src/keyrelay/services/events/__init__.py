"""Events: what has just happened in a profile, told to those that listen.

consoles.py       what scripts print, as events
documents.py      which events an audit record tells of
listeners.py      those that listen, how many they may be, what waits for each
following.py      reads what is new, once for all listeners of a process
run_listeners.py  scripts elsewhere that listen for the runs of their analyses
external_runs.py  hands them these runs
"""

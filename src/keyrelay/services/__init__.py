"""Services: what a person may ask for, written once and used by every face.

Each module holds one service: a frozen dataclass of its collaborators, or a function
that is given them. A service is handed what it acts on. It reads no settings, opens
nothing, prints nothing and knows no face; it returns values and raises exceptions that
are named after facts. The face turns them into sentences, exit codes and statuses.
"""

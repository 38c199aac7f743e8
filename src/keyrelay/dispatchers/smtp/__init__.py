"""SMTP: mails over STARTTLS, in sessions that each belong to a version of a secret."""

"""SMTP: mails over STARTTLS, through sessions kept for each version of a secret."""

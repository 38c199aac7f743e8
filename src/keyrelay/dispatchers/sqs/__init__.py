"""SQS: messages on a queue, several in a call."""

"""SQS: messages on a queue, up to ten in a call."""

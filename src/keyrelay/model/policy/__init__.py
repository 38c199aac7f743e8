"""Policy: patterns, rules and the decision about a secret."""

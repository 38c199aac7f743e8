"""Definitions: secrets, actions and policies as the database keeps them."""

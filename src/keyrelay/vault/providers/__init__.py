"""Providers: where the key-encryption key comes from, one file a place."""

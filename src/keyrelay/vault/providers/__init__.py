"""Providers: where the key-encryption key comes from, one file for each source."""

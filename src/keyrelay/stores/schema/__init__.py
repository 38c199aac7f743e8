"""Schema: the tables, and the migrations that make them."""

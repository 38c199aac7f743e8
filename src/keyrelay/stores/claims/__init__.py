"""Claims: which worker attempts which trigger, where several do."""

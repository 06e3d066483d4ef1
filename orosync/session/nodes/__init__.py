"""One realm on several nodes: what they share, by subject. ``shared_realm`` joins the subjects."""

"""One realm on several nodes: what they tell each other, and what carries it."""

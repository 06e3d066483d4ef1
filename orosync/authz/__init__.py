"""Authorization: topic rules, permissions of roles, procedures that decide, and the chain in which they are asked."""

"""Values: what crosses between an env and a policy, independent of any framework."""

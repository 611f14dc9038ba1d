"""The evaluation loop; it knows envs and policies only through its own ports."""

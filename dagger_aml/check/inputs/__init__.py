"""What ``check`` takes: the kinds of input, what tells them apart, and what can be known of each."""

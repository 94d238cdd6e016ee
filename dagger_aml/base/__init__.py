"""Base images: what is known of them, assumed or asked."""

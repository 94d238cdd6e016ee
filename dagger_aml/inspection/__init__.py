"""What an image is and holds, told of the image alone."""

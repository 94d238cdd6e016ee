"""What is run by hand: `./taskw demo` and `./taskw reference`."""

"""What is done with real images at hand; nothing here is run by the tests on its own."""

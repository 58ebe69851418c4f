"""Training rows whose pixels stay on disk and are decoded ahead of the steps that use them."""

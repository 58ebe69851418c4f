"""Text-to-image generators trained from nothing, in the format of Stable Diffusion."""

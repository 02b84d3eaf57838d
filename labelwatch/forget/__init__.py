"""Forgetting: the deletion of images, and of all that the stack stores about these images."""

"""The components of SYNAuG: generated images, domain mixup, head re-training."""

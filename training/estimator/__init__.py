"""The estimator of drawn characters' poses (Tan, section 3.3), trained on rendered characters."""

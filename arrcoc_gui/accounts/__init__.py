"""Who this machine is signed in as at W&B and on the Hub: asked in the background, with the exact repair where not."""

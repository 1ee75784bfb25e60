"""The method of the paper: losses, ID pool, central domain, discriminator, objective."""

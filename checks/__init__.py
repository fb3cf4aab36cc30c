"""What looks at the real system: the contract, the registry, the runner and the built-in checks."""

"""Every way Museway runs: the CDK app, the machine-local runtime, the sandbox of providers."""

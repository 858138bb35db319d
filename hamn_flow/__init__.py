"""hamn-flow: resumable failover procedures for xCAT high-availability management nodes."""

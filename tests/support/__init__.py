"""What tests share: the sandbox organisation in process, a salesperson, and a sync user."""

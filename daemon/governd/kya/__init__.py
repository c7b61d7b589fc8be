"""Know your agent: what an agent card says, who vouches for it, and how much that counts."""

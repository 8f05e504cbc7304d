"""Native code: graphs become loop nests, and these machine code, through LLVM."""

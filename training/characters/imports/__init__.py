"""Characters of others: PMX and PMD (MikuMikuDance), VRM 0.x and 1.0, glTF and GLB."""

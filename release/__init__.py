"""`make release`: version numbers, changelog, bills of materials, licences, commit and annotated tag."""

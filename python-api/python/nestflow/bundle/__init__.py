"""What executors need, as one archive that is made once and lies where all of them find it.

`tree` says which files, `archive` packs them, the same bytes for the same files; `product` and
`interpreter` know what a bundle of nestflow holds. `store` knows file systems, `publish` the order of
steps that no two clients and no killed one can spoil. On the other side, `scala-shim`'s `Parcel` unpacks.
Needs the standard library only, and knows no plan.
"""

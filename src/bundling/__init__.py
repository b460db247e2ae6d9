"""Makes what `sam build` deploys: the function and what it imports, small and compiled. Standard library only.

For the machine that builds; never in the bundle itself.
"""

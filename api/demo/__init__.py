"""
One season on one machine: made-up parties, real keys, real signatures, the real HTTP interface.

    cast      who there is: parties, places, products      story     what happened, in order
    play      signing it and sending it                    stage     keys, witness, chain and policy of the demo
    run       the command `originmark demo`

Every name and number is invented; GTINs, GLNs and SSCCs use GS1's prefix for examples, 952.  The witness and the chain run
in this process: they prove the code, not the claim, and the policy file says so.
"""

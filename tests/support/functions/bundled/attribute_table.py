TABLE = {
    "features": [
        {
            "attributes": {
                "OID": 1,
                "Classvalue": 1,
                "Classname": "bright",
                "Value": 1,
                "Class": "bright",
                "Red": 250,
                "Green": 240,
                "Blue": 10,
            }
        }
    ]
}

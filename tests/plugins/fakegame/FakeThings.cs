// What lies around in the fake game. The stand-ins declare only what the real game's assemblies are known to have;
// these types are named in public sources, with no members known.
using System;
using Assets.Scripts.Inventory__Items__Pickups.Chests;
using UnityEngine;

namespace FakeGame;

public class InteractableShrineMoai : BaseInteractable
{
}

public class InteractablePortal : BaseInteractable
{
}

public class InteractablePortalFinal : InteractablePortal
{
}

/// <summary>One that is used, and that the plugin does not list.</summary>
public class InteractablePot : BaseInteractable
{
}

/// <summary>A zone to stand in, and so no interactable.</summary>
public class ChargeShrine : MonoBehaviour
{
}

public static class FakeThings
{
    public static Component Make(string name) => name switch
    {
        "chest" => new InteractableChest(),
        "moai" => new InteractableShrineMoai(),
        "final portal" => new InteractablePortalFinal(),
        "pot" => new InteractablePot(),
        "charge shrine" => new ChargeShrine(),
        "pickup" => new Pickup(),
        _ => throw new ArgumentException($"the fake game has no {name}"),
    };
}

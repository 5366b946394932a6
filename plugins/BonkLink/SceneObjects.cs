// What lies around, for BLX2: pickups, chests, shrines, portals. Scanned twice a second, by the types' names, because
// the game keeps no list of them and renames them between versions. A name that is not there is said once.
using System;
using System.Collections.Generic;
using HarmonyLib;
using Il2CppInterop.Runtime;
using UnityEngine;

namespace BonkLink;

public sealed class SceneObjects
{
    private const float PeriodS = 0.5f;

    private static readonly (string Type, byte Kind)[] Known =
    {
        ("InteractableChest", ObjectKinds.Chest), ("OpenChest", ObjectKinds.Chest),
        ("ChargeShrine", ObjectKinds.Shrine), ("InteractableShrineGreed", ObjectKinds.Shrine),
        ("InteractableShrineMagnet", ObjectKinds.Shrine), ("InteractableShrineMoai", ObjectKinds.Shrine),
        ("InteractableShrineCursed", ObjectKinds.Shrine), ("InteractableShrineChallenge", ObjectKinds.Shrine),
        ("InteractableShrineBalance", ObjectKinds.Shrine), ("InteractablePortal", ObjectKinds.Portal),
        ("InteractablePortalFinal", ObjectKinds.Portal), ("InteractableBossSpawner", ObjectKinds.Portal),
        ("InteractableBossSpawnerFinal", ObjectKinds.Portal), ("InteractableShadyGuy", ObjectKinds.Other),
        ("InteractableMicrowave", ObjectKinds.Other), ("Pickup", 0),
    };

    private readonly List<(Type Managed, Il2CppSystem.Type Native, byte Kind)> _types = new();
    private readonly List<ObjectRow> _rows = new();
    private bool _resolved;
    private float _dueS;

    public void Read(StateRecord state)
    {
        if (Time.unscaledTime >= _dueS)
        {
            _dueS = Time.unscaledTime + PeriodS;
            Scan();
        }
        state.Objects.AddRange(_rows);
    }

    private void Scan()
    {
        if (!_resolved)
        {
            _resolved = true;
            Resolve();
        }
        _rows.Clear();
        foreach (var (managed, native, kind) in _types)
        {
            foreach (var found in UnityEngine.Object.FindObjectsOfType(native))
            {
                var component = found == null ? null : found.TryCast<Component>();
                if (component == null || !component.gameObject.activeInHierarchy || _rows.Count >= Wire.MaxObjects)
                {
                    continue;
                }
                var at = component.transform.position;
                var told = kind == 0 ? KindOfPickup(managed, component) : kind;
                _rows.Add(new ObjectRow { Kind = told, Position = new Vec3(at.x, at.y, at.z) });
            }
        }
    }

    private void Resolve()
    {
        foreach (var (name, kind) in Known)
        {
            var managed = AccessTools.TypeByName(name);
            if (managed == null)
            {
                Guarded.Once("type " + name, $"objects: this game has no {name}; it will not be listed");
                continue;
            }
            _types.Add((managed, Il2CppType.From(managed), kind));
        }
    }

    /// <summary>The kind that a pickup says of itself; the property's name differs between versions.</summary>
    private static byte KindOfPickup(Type managed, Component component)
    {
        var property = AccessTools.Property(managed, "ePickup") ?? AccessTools.Property(managed, "pickupType");
        if (property == null)
        {
            Guarded.Once("pickup kind", "objects: pickups do not say what they are; all are listed as other");
            return ObjectKinds.Other;
        }
        var typed = Activator.CreateInstance(managed, component.Pointer);
        return property.GetValue(typed)?.ToString() switch
        {
            "Xp" => ObjectKinds.Xp,
            "Gold" or "Silver" => ObjectKinds.Gold,
            "Health" => ObjectKinds.Health,
            _ => ObjectKinds.Other,
        };
    }
}

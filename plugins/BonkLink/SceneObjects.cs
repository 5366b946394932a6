// What lies around, for BLX2: pickups, chests, shrines, portals. The game keeps no list of them and renames them
// between versions: their types are looked up by name at the start, a name that is not there is said once, and each
// type is asked for twice a second, never two of them in one frame.
using System;
using System.Collections.Generic;
using System.Reflection;
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

    private readonly List<(Type Managed, Il2CppSystem.Type Native, byte Kind, List<ObjectRow> Rows)> _types = new();
    private PropertyInfo? _pickup;
    private int _next;
    private float _dueS;

    public SceneObjects()
    {
        Guarded.Run("objects' types", Resolve);
    }

    public void Read(StateRecord state)
    {
        if (Time.unscaledTime >= _dueS && _types.Count > 0)
        {
            _dueS = Time.unscaledTime + PeriodS / _types.Count;
            Ask(_next);
            _next = (_next + 1) % _types.Count;
        }
        foreach (var (_, _, _, rows) in _types)
        {
            var room = Wire.MaxObjects - state.Objects.Count;
            state.Objects.AddRange(rows.Count <= room ? rows : rows.GetRange(0, room));
        }
    }

    private void Ask(int index)
    {
        var (managed, native, kind, rows) = _types[index];
        rows.Clear();
        foreach (var found in UnityEngine.Object.FindObjectsOfType(native))
        {
            var component = found == null ? null : found.TryCast<Component>();
            if (component == null || !component.gameObject.activeInHierarchy || rows.Count >= Wire.MaxObjects)
            {
                continue;
            }
            var at = component.transform.position;
            var told = kind == 0 ? KindOfPickup(managed, component) : kind;
            rows.Add(new ObjectRow { Kind = told, Position = new Vec3(at.x, at.y, at.z) });
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
            _types.Add((managed, Il2CppType.From(managed), kind, new List<ObjectRow>()));
            if (kind == 0)
            {
                _pickup = AccessTools.Property(managed, "ePickup") ?? AccessTools.Property(managed, "pickupType");
            }
        }
    }

    /// <summary>The kind that a pickup says of itself; the property's name differs between versions.</summary>
    private byte KindOfPickup(Type managed, Component component)
    {
        if (_pickup == null)
        {
            Guarded.Once("pickup kind", "objects: pickups do not say what they are; all are listed as other");
            return ObjectKinds.Other;
        }
        var typed = Activator.CreateInstance(managed, component.Pointer);
        return _pickup.GetValue(typed)?.ToString() switch
        {
            "Xp" => ObjectKinds.Xp,
            "Gold" or "Silver" => ObjectKinds.Gold,
            "Health" => ObjectKinds.Health,
            _ => ObjectKinds.Other,
        };
    }
}

// What lies around, for BLX2: pickups, chests, shrines, portals. The game keeps no list of them that is known. All that
// a player uses has one base type, so one query finds it, twice a second; the few others and the pickups have a query
// each, never two in one frame. Types are looked up by name at the start, and one that is missing is said once.
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
    private const int MostKept = 8192;
    private const string Base = "BaseInteractable", Pickups = "Pickup";

    private static readonly (string Type, byte Kind)[] Known =
    {
        ("InteractableChest", ObjectKinds.Chest), ("OpenChest", ObjectKinds.Chest),
        ("ChargeShrine", ObjectKinds.Shrine), ("InteractableShrineGreed", ObjectKinds.Shrine),
        ("InteractableShrineMagnet", ObjectKinds.Shrine), ("InteractableShrineMoai", ObjectKinds.Shrine),
        ("InteractableShrineCursed", ObjectKinds.Shrine), ("InteractableShrineChallenge", ObjectKinds.Shrine),
        ("InteractableShrineBalance", ObjectKinds.Shrine), ("InteractablePortal", ObjectKinds.Portal),
        ("InteractablePortalFinal", ObjectKinds.Portal), ("InteractableBossSpawner", ObjectKinds.Portal),
        ("InteractableBossSpawnerFinal", ObjectKinds.Portal), ("InteractableShadyGuy", ObjectKinds.Other),
        ("InteractableMicrowave", ObjectKinds.Other),
    };

    private readonly List<Query> _queries = new();
    private readonly Dictionary<string, byte> _kinds = new();
    private readonly Dictionary<int, byte> _kept = new();
    private Type? _pickup;
    private PropertyInfo? _pickupKind;
    private int _next;
    private float _dueS;

    public SceneObjects()
    {
        Guarded.Run("objects' types", Resolve);
    }

    private sealed record Query(Type Managed, Il2CppSystem.Type Native, List<ObjectRow> Rows);

    public void Read(StateRecord state)
    {
        if (Time.unscaledTime >= _dueS && _queries.Count > 0)
        {
            _dueS = Time.unscaledTime + PeriodS / _queries.Count;
            Ask(_queries[_next]);
            _next = (_next + 1) % _queries.Count;
        }
        foreach (var query in _queries)
        {
            var room = Wire.MaxObjects - state.Objects.Count;
            state.Objects.AddRange(query.Rows.Count <= room ? query.Rows : query.Rows.GetRange(0, room));
        }
    }

    private void Ask(Query query)
    {
        query.Rows.Clear();
        foreach (var found in UnityEngine.Object.FindObjectsOfType(query.Native))
        {
            var component = found == null ? null : found.TryCast<Component>();
            if (component == null || !component.gameObject.activeInHierarchy || query.Rows.Count >= Wire.MaxObjects)
            {
                continue;
            }
            var kind = query.Managed == _pickup ? KindOfPickup(component) : KindOf(component);
            if (kind != 0)
            {
                var at = component.transform.position;
                query.Rows.Add(new ObjectRow { Kind = kind, Position = new Vec3(at.x, at.y, at.z) });
            }
        }
    }

    private void Resolve()
    {
        var shared = AccessTools.TypeByName(Base);
        if (shared == null)
        {
            Guarded.Once("type " + Base, $"objects: this game has no {Base}; each type has a query of its own");
        }
        foreach (var (name, kind) in Known)
        {
            if (Find(name) is { } managed)
            {
                _kinds[managed.Name] = kind;
                Add(shared != null && shared.IsAssignableFrom(managed) ? shared : managed);
            }
        }
        if (Find(Pickups) is { } pickup)
        {
            _pickup = pickup;
            _pickupKind = AccessTools.Property(pickup, "ePickup") ?? AccessTools.Property(pickup, "pickupType");
            Add(pickup);
        }
    }

    private static Type? Find(string name)
    {
        var managed = AccessTools.TypeByName(name);
        if (managed == null)
        {
            Guarded.Once("type " + name, $"objects: this game has no {name}; it will not be listed");
        }
        return managed;
    }

    /// <summary>Ask for this type, unless a query finds it already.</summary>
    private void Add(Type managed)
    {
        if (!_queries.Exists(query => query.Managed.IsAssignableFrom(managed)))
        {
            _queries.RemoveAll(query => managed.IsAssignableFrom(query.Managed));
            _queries.Add(new Query(managed, Il2CppType.From(managed), new List<ObjectRow>()));
        }
    }

    /// <summary>The kind by the object's own type or the nearest known one above it; 0: not listed.</summary>
    private byte KindOf(Component component)
    {
        var instance = component.GetInstanceID();
        if (_kept.TryGetValue(instance, out var kind))
        {
            return kind;
        }
        if (_kept.Count >= MostKept)
        {
            _kept.Clear();
        }
        var type = component.GetIl2CppType();
        while (type is not null && !_kinds.TryGetValue(type.Name, out kind))
        {
            type = type.BaseType;
        }
        return _kept[instance] = kind;
    }

    /// <summary>
    /// The kind that a pickup says of itself, asked each time: the game uses them again. The property's name differs
    /// between versions.
    /// </summary>
    private byte KindOfPickup(Component component)
    {
        if (_pickup == null || _pickupKind == null)
        {
            Guarded.Once("pickup kind", "objects: pickups do not say what they are; all are listed as other");
            return ObjectKinds.Other;
        }
        var typed = Activator.CreateInstance(_pickup, component.Pointer);
        return _pickupKind.GetValue(typed)?.ToString() switch
        {
            "Xp" => ObjectKinds.Xp,
            "Gold" or "Silver" => ObjectKinds.Gold,
            "Health" => ObjectKinds.Health,
            _ => ObjectKinds.Other,
        };
    }
}

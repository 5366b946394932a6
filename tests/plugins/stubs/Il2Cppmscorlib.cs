// Stand-in for Il2Cppmscorlib, and for what of Il2CppInterop.Runtime needs it.
using System;
using Il2CppInterop.Runtime.InteropTypes;

namespace Il2CppSystem
{
    public class Object : Il2CppObjectBase
    {
        public Object(IntPtr pointer) : base(pointer)
        {
        }

        protected Object()
        {
        }

        public Type GetIl2CppType() => new(GetType());
    }

    public class Type : Object
    {
        public Type(System.Type managed) => Managed = managed;

        public System.Type Managed { get; }

        public string Name => Managed.Name;

        public Type? BaseType => Managed.BaseType is { } above ? new Type(above) : null;
    }

    public class Random : Object
    {
        public Random(int seed) => Seed = seed;

        public int Seed { get; }
    }

    public class Action<T> : Object
    {
    }
}

namespace Il2CppSystem.Collections.Generic
{
    public class List<T> : Object
    {
        private readonly System.Collections.Generic.List<T> _items = new();

        public int Count => _items.Count;

        public T this[int index] => _items[index];

        public void Add(T item) => _items.Add(item);

        public void Clear() => _items.Clear();

        public System.Collections.Generic.List<T>.Enumerator GetEnumerator() => _items.GetEnumerator();
    }

    public class KeyValuePair<TKey, TValue> : Object
    {
        public KeyValuePair(TKey key, TValue value) => (Key, Value) = (key, value);

        public TKey Key { get; }

        public TValue Value { get; }
    }

    public class Dictionary<TKey, TValue> : Object where TKey : notnull
    {
        private readonly System.Collections.Generic.Dictionary<TKey, TValue> _items = new();

        public int Count => _items.Count;

        public TValue this[TKey key]
        {
            get => _items[key];
            set => _items[key] = value;
        }

        public void Clear() => _items.Clear();

        /// <summary>How often it was walked.</summary>
        public int Walks { get; private set; }

        public System.Collections.Generic.IEnumerator<KeyValuePair<TKey, TValue>> GetEnumerator()
        {
            Walks++;
            foreach (var pair in _items)
            {
                yield return new KeyValuePair<TKey, TValue>(pair.Key, pair.Value);
            }
        }
    }
}

namespace Il2CppInterop.Runtime
{
    public static class Il2CppType
    {
        public static Il2CppSystem.Type From(System.Type type) => new(type);
    }
}

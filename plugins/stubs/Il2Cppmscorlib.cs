// Stub: the members of Il2Cppmscorlib, and of Il2CppInterop.Runtime that need it, that the plugins use.
using System;
using Il2CppInterop.Runtime.InteropTypes;

namespace Il2CppSystem
{
    public class Object : Il2CppObjectBase
    {
        public Object(IntPtr pointer) : base(pointer) => throw null!;

        protected Object() => throw null!;
    }

    public class Type : Object
    {
    }

    public class Random : Object
    {
        public Random(int seed) => throw null!;
    }

    public class Action<T> : Object
    {
    }
}

namespace Il2CppSystem.Collections.Generic
{
    public class List<T> : Object
    {
        public int Count => throw null!;

        public T this[int index] => throw null!;

        public Enumerator GetEnumerator() => throw null!;

        public class Enumerator : Object
        {
            public T Current => throw null!;

            public bool MoveNext() => throw null!;
        }
    }

    public class KeyValuePair<TKey, TValue> : Object
    {
        public TKey Key => throw null!;

        public TValue Value => throw null!;
    }

    public class Dictionary<TKey, TValue> : Object where TKey : notnull
    {
        public int Count => throw null!;

        public Enumerator GetEnumerator() => throw null!;

        public class Enumerator : Object
        {
            public KeyValuePair<TKey, TValue> Current => throw null!;

            public bool MoveNext() => throw null!;
        }
    }
}

namespace Il2CppInterop.Runtime
{
    public static class Il2CppType
    {
        public static Il2CppSystem.Type From(System.Type type) => throw null!;
    }
}

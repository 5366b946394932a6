// Stand-in for Il2CppInterop.Runtime: the members that the plugins use, with the least behaviour that lets them run
// against a fake game. The real assembly is made from the installed game.
using System;
using System.Collections;
using System.Collections.Generic;

namespace Il2CppInterop.Runtime.InteropTypes
{
    public class Il2CppObjectBase
    {
        public Il2CppObjectBase(IntPtr pointer) => Pointer = pointer;

        protected Il2CppObjectBase()
        {
        }

        public IntPtr Pointer { get; }

        public T? TryCast<T>() where T : Il2CppObjectBase => this as T;

        public T Cast<T>() where T : Il2CppObjectBase => (T)this;
    }
}

namespace Il2CppInterop.Runtime.InteropTypes.Arrays
{
    public abstract class Il2CppArrayBase<T> : Il2CppObjectBase, IEnumerable<T>
    {
        private readonly T[] _items;

        public static implicit operator T[](Il2CppArrayBase<T> from) => (T[])from._items.Clone();

        protected Il2CppArrayBase(T[] items) => _items = items;

        public int Length => _items.Length;

        public T this[int index]
        {
            get => _items[index];
            set => _items[index] = value;
        }

        public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)_items).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => _items.GetEnumerator();
    }

    public class Il2CppStructArray<T> : Il2CppArrayBase<T> where T : unmanaged
    {
        public Il2CppStructArray(long size) : base(new T[size])
        {
        }
    }

    public class Il2CppReferenceArray<T> : Il2CppArrayBase<T> where T : Il2CppObjectBase
    {
        public Il2CppReferenceArray(T[] items) : base(items)
        {
        }
    }
}

namespace Il2CppInterop.Runtime.Injection
{
    public static class ClassInjector
    {
        public static void RegisterTypeInIl2Cpp<T>() where T : class
        {
        }
    }
}

namespace Il2CppInterop.Runtime.Attributes
{
    [AttributeUsage(AttributeTargets.Method | AttributeTargets.Property | AttributeTargets.Event)]
    public sealed class HideFromIl2CppAttribute : Attribute
    {
    }
}

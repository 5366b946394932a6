// Stub: the members of Il2CppInterop.Runtime that the plugins use. No bodies; for the compiler only.
using System;
using System.Collections;
using System.Collections.Generic;

namespace Il2CppInterop.Runtime.InteropTypes
{
    public class Il2CppObjectBase
    {
        public Il2CppObjectBase(IntPtr pointer) => throw null!;

        protected Il2CppObjectBase() => throw null!;

        public IntPtr Pointer => throw null!;

        public T? TryCast<T>() where T : Il2CppObjectBase => throw null!;

        public T Cast<T>() where T : Il2CppObjectBase => throw null!;
    }
}

namespace Il2CppInterop.Runtime.InteropTypes.Arrays
{
    public abstract class Il2CppArrayBase<T> : Il2CppObjectBase, IEnumerable<T>
    {
        public int Length => throw null!;

        public T this[int index]
        {
            get => throw null!;
            set => throw null!;
        }

        public IEnumerator<T> GetEnumerator() => throw null!;

        IEnumerator IEnumerable.GetEnumerator() => throw null!;
    }

    public class Il2CppStructArray<T> : Il2CppArrayBase<T> where T : unmanaged
    {
        public Il2CppStructArray(long size) => throw null!;
    }

    public class Il2CppReferenceArray<T> : Il2CppArrayBase<T> where T : Il2CppObjectBase
    {
    }
}

namespace Il2CppInterop.Runtime.Injection
{
    public static class ClassInjector
    {
        public static void RegisterTypeInIl2Cpp<T>() where T : class => throw null!;
    }
}

namespace Il2CppInterop.Runtime.Attributes
{
    [AttributeUsage(AttributeTargets.Method | AttributeTargets.Property | AttributeTargets.Event)]
    public sealed class HideFromIl2CppAttribute : Attribute
    {
    }
}

// Stand-in for Il2CppInterop.Common: where the native code of a method is.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: InternalsVisibleTo("fakegame")]
[assembly: InternalsVisibleTo("0Harmony")]

namespace Il2CppInterop.Common
{
    public static class Il2CppInteropUtils
    {
        private static readonly Dictionary<string, IntPtr> Infos = new();

        /// <summary>Methods, TYPE.NAME, that the linker folded into one function with no body.</summary>
        internal static readonly HashSet<string> Folded = new() { "AlwaysUi.OnApplicationFocus" };

        /// <summary>Methods that were folded into another function, which has a body.</summary>
        internal static readonly HashSet<string> Twins = new();

        public static FieldInfo? GetIl2CppMethodInfoPointerFieldForGeneratedMethod(MethodBase method) =>
            new PointerField(InfoOf(CodeOf(method)));

        internal static string CodeOf(MethodBase method)
        {
            var name = $"{method.DeclaringType!.Name}.{method.Name}";
            return Folded.Contains(name) ? "folded" : Twins.Contains(name) ? "twin" : $"{name}/{method.MetadataToken}";
        }

        private static IntPtr InfoOf(string name)
        {
            if (!Infos.TryGetValue(name, out var info))
            {
                info = Infos[name] = Marshal.AllocHGlobal(8);
                Marshal.WriteIntPtr(info, (IntPtr)(0x140000000 + 64 * Infos.Count));
            }
            return info;
        }
    }

    /// <summary>A static field that holds one pointer.</summary>
    internal sealed class PointerField : FieldInfo
    {
        private readonly IntPtr _value;

        public PointerField(IntPtr value) => _value = value;

        public override FieldAttributes Attributes => FieldAttributes.Static;

        public override Type? DeclaringType => null;

        public override RuntimeFieldHandle FieldHandle => default;

        public override Type FieldType => typeof(IntPtr);

        public override string Name => "NativeMethodInfoPtr";

        public override Type? ReflectedType => null;

        public override object[] GetCustomAttributes(bool inherit) => Array.Empty<object>();

        public override object[] GetCustomAttributes(Type attributeType, bool inherit) => Array.Empty<object>();

        public override object GetValue(object? obj) => _value;

        public override bool IsDefined(Type attributeType, bool inherit) => false;

        public override void SetValue(
            object? obj, object? value, BindingFlags invokeAttr, Binder? binder, CultureInfo? culture) =>
            throw new FieldAccessException();
    }
}

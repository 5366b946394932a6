// What the stand-in assemblies declare, for the comparison with what the real ones declare.
using System;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace FakeGame;

public static class Members
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
        | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>
    /// Write one line for each member that a plugin can use: assembly, namespace, type, kind, name, static, parameters.
    /// </summary>
    public static void Write(string[] assemblies)
    {
        foreach (var type in assemblies.SelectMany(name => Assembly.Load(name).GetTypes()))
        {
            if (!type.IsPublic || type.IsDefined(typeof(CompilerGeneratedAttribute), false))
            {
                continue;
            }
            Line(type, "type", type.IsEnum ? "enum" : "class", true, null);
            if (type.IsEnum)
            {
                continue;
            }
            foreach (var member in type.GetMembers(Declared))
            {
                Write(type, member);
            }
        }
    }

    private static void Write(Type type, MemberInfo member)
    {
        switch (member)
        {
            case FieldInfo { IsPublic: true } field:
                Line(type, "field", field.Name, field.IsStatic, null);
                break;
            case PropertyInfo property when property.GetAccessors().FirstOrDefault() is { } accessor:
                Line(type, "property", property.Name, accessor.IsStatic, null);
                break;
            case ConstructorInfo { IsPublic: true } constructor when constructor.GetParameters().Length > 1:
                Line(type, "method", constructor.Name, false, constructor.GetParameters().Length);
                break;
            case MethodInfo { IsPublic: true, IsSpecialName: false } method:
                Line(type, "method", method.Name, method.IsStatic, method.GetParameters().Length);
                break;
        }
    }

    private static void Line(Type type, string kind, string name, bool isStatic, int? parameters) =>
        Console.WriteLine(string.Join('\t', type.Assembly.GetName().Name, type.Namespace ?? "(global)", type.Name, kind,
            name, isStatic ? "static" : "instance", parameters));
}
